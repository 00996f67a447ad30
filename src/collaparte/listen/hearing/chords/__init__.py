"""The ear for pianos and guitars: each key's strokes by a small network, placed on the page by a semi-Markov filter."""
