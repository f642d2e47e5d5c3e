"""Replication of the Body-part Tubelet Transformer (BPTubeFormer, AVSS 2024)."""

__version__ = "0.1.0"
