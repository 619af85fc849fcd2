"""The documents of `docs/` as pages under `/docs/`, for signed-in team members, and the *Help* link of each page."""
