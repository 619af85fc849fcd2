"""What signing in rests on: sessions, limits of tries, passwords, second factors and known browsers. No pages."""
