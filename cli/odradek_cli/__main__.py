"""`python -m odradek_cli`."""

from odradek_cli.main import main

main()
