// Signs in by a link. Its secret is behind the `#`, which browsers send to no server.
"use strict";

const secret = new URLSearchParams(location.hash.slice(1)).get("link");
if (secret) {
  history.replaceState(null, "", location.pathname);
  const form = document.getElementById("link");
  form.elements.link.value = secret;
  form.elements.link.disabled = false;
  form.submit();
}
