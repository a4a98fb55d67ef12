"""Every flight that left New York in 2013, through a broker and back: python -m examples.flights [bootstrap]

Reading order: source (the data), journey (produce, consume, compare, tail), summary (the screen), __main__.
"""
