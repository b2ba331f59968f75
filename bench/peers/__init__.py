"""The programs `pipeline` is timed beside: each file here is a script that runs as a process of its own."""
