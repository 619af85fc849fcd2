"""Pages in the language of their reader. The program writes English, and its pages are translated at the end (ADR 23).

From the top: `middleware` translates pages, `reader` knows whose language it is, `markup` finds the texts of a page,
`catalog` translates one text, `conventions` writes numbers, dates and names of countries, `messages` reads catalogs.
"""
