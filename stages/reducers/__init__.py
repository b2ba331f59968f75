"""Reducers: one result of the frames of all items."""
