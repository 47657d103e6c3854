/** Where a login from the page of the API ends: hands what it got to that page, and closes the window. */

import "swagger-ui-dist/oauth2-redirect.js";
