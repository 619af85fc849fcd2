"""What all admin pages share: scoping by organization and role, forms, lists, buttons, exports."""
