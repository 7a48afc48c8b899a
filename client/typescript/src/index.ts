/** A client of Image-Tagged-System: a typed call for each endpoint, and a thin layer over them. */

export type { components, operations, paths } from "./api.js";
export { ApiError, expectData } from "./api_error.js";
export { type Credentials, passwordCredentials, tokenCredentials } from "./credentials.js";
export { type Image, ImageClient, type UploadOptions } from "./image_client.js";
export { iterateItems, type Page } from "./item_pages.js";
export { TusUpload } from "./tus_upload.js";
