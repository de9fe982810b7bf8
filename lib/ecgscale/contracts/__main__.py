"""`python -m ecgscale.contracts`: print the reference of every file between stages."""

from ecgscale.contracts.reference import CHAPTERS, page

for chapter in CHAPTERS:
    print(f"# {chapter}\n\n{page(chapter)}")
