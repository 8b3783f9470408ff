"""Codecs: how each kind of value is written to a folder of JSON and safetensors, and read back."""
