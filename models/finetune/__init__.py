"""The encoder's own training: hours, once in a while, with libraries that nothing else needs (the extra ``encoder``).

``python -m models.finetune --data ../shared/data --out models/starter_encoder`` follows ``recipes/encoder.toml``.
"""
