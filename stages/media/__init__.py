"""What several components need and the engine does not; it holds no component and imports none."""
