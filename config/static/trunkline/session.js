// A form that is submitted after its session has ended stays on its page. Nothing is stored, and nothing is sent again
// by itself: the user signs in in another tab and submits the form once more, under the same name.
(function () {
  "use strict";

  var QUESTION = "/admin/session/";
  var waiting = null; // the form that was kept
  var owner = null; // the mark of the user to whom the page was shown

  // The header marks a request that is no activity of the user.
  function ask() {
    return fetch(QUESTION, { headers: { "HX-Request": "true" }, cache: "no-store", credentials: "same-origin" }).then(
      function (answer) { return answer.ok ? answer.json() : null; }
    );
  }

  function isKept(form) {
    return form.method === "post" && form.id !== "login-form" && form.querySelector("[name=csrfmiddlewaretoken]") !== null;
  }

  function say(text, link) {
    var box = document.getElementById("session-ended");
    if (!box) {
      box = document.createElement("p");
      box.id = "session-ended";
      box.className = "tl-alert tl-a-warning";
      box.setAttribute("role", "alert");
      waiting.before(box);
    }
    box.textContent = text;
    if (link) {
      var at = document.createElement("a");
      at.href = "/admin/login/";
      at.target = "_blank";
      at.rel = "noopener";
      at.textContent = "Sign in in a new tab";
      box.append(" ", at);
    }
    box.scrollIntoView({ block: "center" });
  }

  function keep(form, answer) {
    waiting = form;
    if (answer.user) {
      say("Another user has signed in, so nothing was sent. Sign in as yourself, then submit the form again.", true);
    } else {
      say("Your session has ended, so nothing was sent. What you typed is still here. Sign in, come back to this page, " +
        "then submit the form again.", true);
    }
  }

  function send(form, submitter, token) {
    form.querySelectorAll("[name=csrfmiddlewaretoken]").forEach(function (field) { field.value = token; });
    form.dataset.checked = "yes";
    if (submitter) form.requestSubmit(submitter);
    else form.requestSubmit();
    delete form.dataset.checked;
  }

  // Before all other listeners: to them the form is submitted once, when it is sent.
  document.addEventListener("submit", function (event) {
    var form = event.target;
    if (owner === null || form.dataset.checked || !isKept(form)) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    if (form.dataset.asking) return; // clicked twice
    form.dataset.asking = "yes";
    var submitter = event.submitter;
    ask().finally(function () { delete form.dataset.asking; }).then(
      function (answer) {
        if (answer && answer.user !== owner) keep(form, answer);
        else send(form, submitter, answer ? answer.token : form.querySelector("[name=csrfmiddlewaretoken]").value);
      },
      function () { waiting = form; say("The server cannot be reached, so nothing was sent. Try again in a moment."); }
    );
  }, true);

  // Back from the other tab.
  document.addEventListener("visibilitychange", function () {
    if (document.hidden || !waiting) return;
    ask().then(function (answer) {
      if (!answer) return;
      if (answer.user === owner) say("You are signed in again. Submit the form now.");
      else keep(waiting, answer);
    }, function () {});
  });

  document.addEventListener("DOMContentLoaded", function () {
    if (!Array.prototype.some.call(document.forms, isKept)) return;
    ask().then(function (answer) { if (answer && answer.user) owner = answer.user; }, function () {});
  });
})();
