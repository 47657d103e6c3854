/** Where the documentation of this version is: the server hands it out itself, so that it is there without a network. */

export const DOCUMENTATION = "/docs/";
export const GLOSSARY = "/docs/user/glossary.html";
