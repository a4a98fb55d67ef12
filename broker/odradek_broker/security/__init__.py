"""Decides who somebody is. Plain Python: no clock, no sockets, no files.

Reading order: principal.
"""
