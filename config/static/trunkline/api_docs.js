// Shows the OpenAPI document. In its own file, because the page's policy allows no inline script.
"use strict";

SwaggerUIBundle({
  domNode: document.getElementById("api"),
  url: document.getElementById("api").dataset.schema,
  deepLinking: true,
  docExpansion: "none",
  filter: true,
});
