"""The soloist's sound becomes SoloEvents: from a file, a port, or a simulation."""
