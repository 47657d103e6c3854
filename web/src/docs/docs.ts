/** The API as its document describes it, to read and to try; a page of its own, which no other page loads. */

import SwaggerUI from "swagger-ui-dist/swagger-ui-es-bundle.js";
import "swagger-ui-dist/swagger-ui.css";

const page = SwaggerUI({
  url: "/api/openapi.json",
  dom_id: "#swagger-ui",
  deepLinking: true,
  showExtensions: true,
  oauth2RedirectUrl: `${window.location.origin}/api/docs/oauth2-redirect`,
  // Without this it sends the document to a public service and shows what that says of it.
  validatorUrl: null,
});
page.initOAuth({ clientId: "myDIRACClientID", usePkceWithAuthorizationCodeGrant: true });
