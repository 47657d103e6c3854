"""What payloads and strangers may try against a running installation, and what must stand all the while."""
