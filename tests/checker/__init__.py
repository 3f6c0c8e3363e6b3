"""Judges histories: what clients asked and were told, whoever ran the store and however."""
