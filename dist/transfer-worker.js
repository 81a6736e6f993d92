import{runTransferThread as r}from"./action.js";r();
