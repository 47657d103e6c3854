/** What we use of a package that has no types of its own. */
declare module "swagger-ui-dist/swagger-ui-es-bundle.js" {
  export default function SwaggerUI(options: Record<string, unknown>): {
    initOAuth: (options: Record<string, unknown>) => void;
  };
}

declare module "swagger-ui-dist/oauth2-redirect.js";
