export { createOutputDecoder, type DecodedPicture, findDecoderProblem, type OutputDecoder } from './output-decoder.ts';
export { formatMismatch, type PictureFormat } from './picture-format.ts';
