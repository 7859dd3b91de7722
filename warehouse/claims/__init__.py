"""Checks an article: what it claims (`extract`), and what the published file says to it (`verify`).

`reading` reads the sentences, `judges` judge the claims by what `facts` knew of a company.

The text is data: it is cut into words, compared with rules, and shown; nothing in it is obeyed.
"""
