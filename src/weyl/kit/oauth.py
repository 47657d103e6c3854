"""The words of OAuth that client and server share: who the client is, and how it may ask for tokens."""

CLIENT_ID = "myDIRACClientID"
GRANT_CODE = "authorization_code"
GRANT_DEVICE = "urn:ietf:params:oauth:grant-type:device_code"
GRANT_REFRESH = "refresh_token"
