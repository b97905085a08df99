"""What a pixel of the output sees: theoretical receptive fields, from the recorded operations, and effective ones."""
