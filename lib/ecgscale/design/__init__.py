"""The study file, its design spaces, and what it will cost. Only `pace` imports torch."""
