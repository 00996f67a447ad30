"""The practice room: corpora become onset tables, tables an environment, the environment a policy. Extra: ``train``."""
