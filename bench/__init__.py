"""Side-by-side benchmarks of `pipeline` and its peers: `python -m bench`; README.md says what each row means."""
