"""`python -m ecgscale.contracts`: print the reference of every file between stages."""

from ecgscale.contracts.reference import page

print(page(), end="")
