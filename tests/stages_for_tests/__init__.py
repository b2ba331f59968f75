"""Stages that only tests use: frames that say which they are, and every way in which a stage can fail."""
