"""The figures of README and docs, each from one command; needs the corpora, and peers where they are compared."""
