"""Transforms: from pixels to pixels."""
