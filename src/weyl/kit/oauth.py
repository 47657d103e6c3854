"""The words of OAuth that client and server share: who the client is, and how it may ask for tokens."""

import re

CLIENT_ID = "myDIRACClientID"
GRANT_CODE = "authorization_code"
GRANT_DEVICE = "urn:ietf:params:oauth:grant-type:device_code"
GRANT_REFRESH = "refresh_token"

# Where a program on the user's own machine waits for its browser: any port (RFC 8252, 7.3), but this path only.
LOOPBACK_PATH = "/weyl-login"
LOOPBACK_REDIRECT = re.compile(rf"http://(?:127\.0\.0\.1|\[::1\]):[1-9][0-9]{{0,4}}{LOOPBACK_PATH}")
