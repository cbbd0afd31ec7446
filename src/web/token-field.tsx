/** The token that actions on the page need. */
export function TokenField({ token, onToken }: { token: string; onToken(token: string): void }) {
  return (
    <label className="field">
      <span>Token</span>
      <input
        type="password"
        autoComplete="off"
        value={token}
        onChange={(event) => onToken(event.target.value)}
        placeholder="from `kintsugi token issue`, or the data folder"
      />
    </label>
  )
}
