"""Labels and charts that several pages share."""
