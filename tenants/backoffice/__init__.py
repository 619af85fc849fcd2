"""What every admin page shares: scoping by organization and role, forms, lists, buttons, exports."""
