"""What is right, from sources outside the product: the tz database's tables, laws, and arithmetic minute by minute.

Nothing here imports the product or its phone library (`tests/oracle/test_oracle.py` checks it).
"""
