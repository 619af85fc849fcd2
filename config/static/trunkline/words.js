// The texts of the scripts stand in each page, in the language of its reader (unfold/helpers/command.html).
function word(name) {
  "use strict";

  var words = document.getElementById("words");
  var found = words && words.content.querySelector("[data-word=" + name + "]");
  return found ? found.textContent : "";
}
