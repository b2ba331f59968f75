"""Codecs: bytes <-> pixels of one format each."""
