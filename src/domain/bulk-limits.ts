/** Bounds on the file of a bulk. */
const KiB = 1_024;
const MiB = 1_024 * KiB;

export const BULK_LIMITS = {
  /** Rows of one file, bad ones included. */
  rows: 1_000_000,
  /** Of the file as it is sent, with the images when it is a zip. */
  fileBytes: 1_024 * MiB,
  /** Of one row; also of the line that names the columns. */
  rowBytes: 64 * KiB,
  columns: 128,
  refChars: 128,
  nameChars: 128,
  /** Faults in the answer to an upload; `errors.csv` has them all. */
  firstFaults: 16,
  /** Files in a zip: the table and the images. */
  zipEntries: 100_000,
  /** Of a table inside a zip, once it is unpacked. */
  tableBytes: 1_024 * MiB,
} as const;
