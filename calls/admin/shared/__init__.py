"""What several pages share: labels and charts."""
