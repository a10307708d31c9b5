"""Rooms, the embedded benchmark: procedural furnished rooms with exact 3D ground truth."""
