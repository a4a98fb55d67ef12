"""What a command reads from the environment, for want of an option."""

BOOTSTRAP_VARIABLE = "ODRADEK_BOOTSTRAP_SERVER"
PROFILE_VARIABLE = "ODRADEK_PROFILE"
