"""The brief of a company: sentences that carry their evidence, and what is made of them."""
