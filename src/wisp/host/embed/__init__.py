"""Components inside a Python program: loaded, instantiated, called, their imports answered by Python.

The core runs guests; this package decides what they look like to Python: which class stands for a WIT type, what an
interface's functions are called, what `Host.load` takes.
"""
