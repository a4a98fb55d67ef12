"""Every flight that left New York in 2013, through three brokers and back: python -m examples.flights [bootstrap]

Half-way the leader of a partition is killed. With an address it is your brokers that are used, and nobody is killed.

Reading order: source (the data), journey (produce, consume, compare, tail), summary (the screen), __main__.
"""
