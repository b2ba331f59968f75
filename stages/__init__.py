"""The components: one file each; they import `pipeline` (floor 0), numpy and, when opened, one backend library."""
