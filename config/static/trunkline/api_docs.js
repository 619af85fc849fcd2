// Shows the document. A file of its own, because the page runs no script that stands in it.
"use strict";

SwaggerUIBundle({
  domNode: document.getElementById("api"),
  url: document.getElementById("api").dataset.schema,
  deepLinking: true,
  docExpansion: "none",
  filter: true,
});
